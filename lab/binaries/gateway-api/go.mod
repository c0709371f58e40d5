// Nothing is compiled here: the lab takes the CustomResourceDefinitions from this module's files,
// and go.sum makes sure that they are the ones that were pinned. `go mod tidy` would drop the line.
module firebreak.dev/lab/gateway-api

go 1.26.0

require sigs.k8s.io/gateway-api v1.4.0
