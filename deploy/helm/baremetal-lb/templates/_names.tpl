{{- define "name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "controller" -}}{{ include "name" . }}-controller{{- end -}}
{{- define "speaker" -}}{{ include "name" . }}-speaker{{- end -}}

{{- /* Group of the kinds that MetalLB has, too; those that it does not have are always in our own. */ -}}
{{- define "group" -}}{{ ternary "metallb.io" "baremetal-lb.io" (eq .Values.identity "metallb") }}{{- end -}}
{{- define "prefix" -}}{{ include "group" . }}/{{- end -}}

{{- define "image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "labels" -}}
app.kubernetes.io/name: baremetal-lb
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "commonEnv" -}}
- {name: BMLB_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: BMLB_IDENTITY, value: {{ .Values.identity | quote }}}
- {name: BMLB_LB_CLASS, value: {{ .Values.loadBalancerClass | quote }}}
{{- end -}}

{{- define "logEnv" -}}
- {name: BMLB_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
- {name: BMLB_LOG_FORMAT, value: {{ .Values.logFormat | quote }}}
{{- end -}}

{{- define "extraEnv" -}}
{{- range $name, $value := . }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end -}}
{{- end -}}

{{- define "imageLines" -}}
image: {{ include "image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{- define "confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
