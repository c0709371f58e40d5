{{- /* Which requests both policies about targets look at: those that write the spec of an AIService. */ -}}
{{- define "firebreak.targetsMatch" -}}
matchConstraints:
  resourceRules:
  - apiGroups: [firebreak.dev]
    apiVersions: [v1alpha1]
    operations: [CREATE, UPDATE]
    resources: [aiservices]
matchConditions:
- name: spec-changes
  expression: oldObject == null || object.spec != oldObject.spec
{{- end -}}

{{- /* Every place that a service may have written: where the spec names it, the object, and the path where there is one. */ -}}
{{- define "firebreak.targetsVariable" -}}
- name: places
  expression: >-
    (has(object.spec.revision) ? object.spec.revision.fields.map(f, {
    'place': dyn('spec.revision.fields[' + f.name + ']'), 'target': dyn(f.target), 'path': dyn(f.path)}) : [])
    + (has(object.spec.revision) ? object.spec.revision.fields.filter(f, has(f.reload)).map(f, {
    'place': dyn('spec.revision.fields[' + f.name + '].reload'), 'target': dyn(f.reload), 'path': dyn('')}) : [])
    + (has(object.spec.traffic) ? object.spec.traffic.routes.map(r, {
    'place': dyn('spec.traffic.routes[' + r.name + ']'), 'target': dyn(r), 'path': dyn('$.spec.rules[?@.name==\'' + r.rule
    + '\'].backendRefs[?@.name==\'' + r.primary.name + '\'].weight')}) : [])
    + (has(object.spec.humanReview) && has(object.spec.humanReview.workload) ? [{
    'place': dyn('spec.humanReview.workload'), 'target': dyn(object.spec.humanReview.workload),
    'path': dyn('$.spec.replicas')}] : [])
    + (has(object.spec.humanReview) && has(object.spec.humanReview.autoscaler) ? [{
    'place': dyn('spec.humanReview.autoscaler'), 'target': dyn(object.spec.humanReview.autoscaler),
    'path': dyn(object.spec.humanReview.autoscaler.kind == 'ScaledObject' ? '$.spec.minReplicaCount' : '$.spec.minReplicas')}] : [])
    + (has(object.spec.humanReview) && has(object.spec.humanReview.rate) ? [{
    'place': dyn('spec.humanReview.rate'), 'target': dyn(object.spec.humanReview.rate.target),
    'path': dyn(object.spec.humanReview.rate.path)}] : [])
    + (has(object.spec.judge) ? [{
    'place': dyn('spec.judge.samplingRate'), 'target': dyn(object.spec.judge.samplingRate.target),
    'path': dyn(object.spec.judge.samplingRate.path)}] : [])
    + (has(object.spec.features) ? object.spec.features.map(f, {
    'place': dyn('spec.features[' + f.name + '].flag'), 'target': dyn(f.flag.target), 'path': dyn(f.flag.path)}) : [])
{{- end -}}
