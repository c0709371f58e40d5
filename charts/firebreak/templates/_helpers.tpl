{{- define "firebreak.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "firebreak.labels" -}}
app.kubernetes.io/name: firebreak
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "firebreak.selector" -}}
app.kubernetes.io/name: firebreak
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "firebreak.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "firebreak.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "firebreak.fullname" . }}
{{- end -}}

{{- /* The group of an apiVersion: apps of apps/v1, nothing of v1. */ -}}
{{- define "firebreak.group" -}}
{{- if contains "/" . }}{{ index (splitList "/" .) 0 }}{{ end -}}
{{- end -}}

{{- /* A path with * as a regular expression for CEL, to be put in a raw string r"…". */ -}}
{{- define "firebreak.pattern" -}}
^{{ regexQuoteMeta . | replace "\\*" "[^']*" }}$
{{- end -}}

{{- define "firebreak.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "firebreak.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* Replicas on different nodes where there are several. */ -}}
{{- define "firebreak.spread" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "firebreak.selector" . | nindent 10 }}
{{- end -}}
