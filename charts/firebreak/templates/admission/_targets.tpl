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

{{- /* Which requests both policies about drills look at: those that write the spec of one that changes something. */ -}}
{{- define "firebreak.drillsMatch" -}}
matchConstraints:
  resourceRules:
  - apiGroups: [firebreak.dev]
    apiVersions: [v1alpha1]
    operations: [CREATE, UPDATE]
    resources: [containmentdrills]
matchConditions:
- name: execute
  expression: object.spec.mode == 'Execute'
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


{{- /*
Whether the one who asks may patch each object that an AIService names: variables and validations of a policy.
`spec`: where that AIService's spec is; `places`: the places that count; `names`: how a message begins.

An authorizer check costs 350 000 of the 1 000 000 units that one expression may use, and of the 10 000 000 for all of
them; so there is one check per expression: first whether the author may patch every object of a kind in the namespace,
and only where not, one expression for each named object, up to 20 of them.
*/ -}}
{{- define "firebreak.authority" -}}
{{- $most := 20 }}
{{- $resources := list }}
{{- range $.root.Values.reach }}
{{- $resources = append $resources (printf "'%s %s': '%s'" .apiVersion .kind .resource) }}
{{- end -}}
variables:
{{ include "firebreak.targetsVariable" .root | replace "object.spec" .spec }}
- name: resources
  expression: >-
    { {{ join ", " $resources }} }
# "apiVersion kind name" of each object; what is not within reach is the other policy's to refuse.
- name: objects
  expression: >-
    {{ $.places }}.filter(p, p.target.apiVersion + ' ' + p.target.kind in variables.resources)
    .map(p, p.target.apiVersion + ' ' + p.target.kind + ' ' + p.target.name)
# Which objects are named is asked first: a check is spent only on kinds that occur.
{{- range $i, $kind := $.root.Values.reach }}
- name: all{{ $i }}
  expression: >-
    variables.objects.exists(o, o.startsWith('{{ $kind.apiVersion }} {{ $kind.kind }} ')) && authorizer.group('{{ include "firebreak.group" $kind.apiVersion }}')
    .resource('{{ $kind.resource }}').namespace(request.namespace).check('patch').allowed()
{{- end }}
- name: distinct
  expression: >-
    [{{ untilStep 0 31 1 | join ", " }}].filter(i, i < variables.objects.size()
    && variables.objects.indexOf(variables.objects[i]) == i).map(i, variables.objects[i])
- name: named
  expression: >-
    variables.distinct
    {{- range $i, $kind := $.root.Values.reach }}
    .filter(o, !o.startsWith('{{ $kind.apiVersion }} {{ $kind.kind }} ') || !variables.all{{ $i }})
    {{- end }}
# Messages speak of `distinct`: they are evaluated without authorizer, and so without `named`.
validations:
- expression: variables.named.size() <= {{ $most }}
  reason: Forbidden
  messageExpression: >-
    {{ $.names }} + string(variables.distinct.size()) + ' objects, of which at most {{ $most }} can be checked one by one: name fewer, or have '
    + request.userInfo.username + ' granted patch on their kinds in namespace ' + request.namespace
{{- range $i := until 31 }}
{{- $object := printf "variables.distinct[%d].split(' ')" $i }}
- expression: >-
    variables.distinct.size() <= {{ $i }} || !(variables.distinct[{{ $i }}] in variables.named) || authorizer
    .group(variables.distinct[{{ $i }}].contains('/') ? variables.distinct[{{ $i }}].split('/')[0] : '')
    .resource(variables.resources[{{ $object }}[0] + ' ' + {{ $object }}[1]]).namespace(request.namespace)
    .name({{ $object }}[2]).check('patch').allowed()
  reason: Forbidden
  messageExpression: >-
    {{ $.names }} + {{ $object }}[1] + ' ' + {{ $object }}[2] + ' as a target, which ' + request.userInfo.username
    + ' may not patch in namespace ' + request.namespace + ': ask for the right to patch it, or leave it out'
{{- end }}
{{- end -}}
