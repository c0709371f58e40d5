module firebreak.dev/lab/pki

go 1.26.0
