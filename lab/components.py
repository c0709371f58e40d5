"""With which arguments do the lab's programs run, and how is each asked whether it is ready?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from lab.files import Files
from lab.spec import API_PORT, GATEWAY_PORT, PROMETHEUS_PORT, Spec

API_URL = f"https://127.0.0.1:{API_PORT}"
ETCD_URL = "http://127.0.0.1:2379"

USERS = {
    # name: (user, group)
    "admin": ("lab:admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "prometheus": ("lab:prometheus", ""),
    "traefik": ("lab:traefik", ""),
}
"""Who has a token: the control plane's users have the roles that the API server makes for them, the last two have
those of manifests/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A program of the lab."""

    name: str
    argv: tuple[str, ...]
    health: str
    """A URL that answers 200 when it is ready."""
    environment: Mapping[str, str] = field(default_factory=dict)


def components(spec: Spec, files: Files) -> dict[str, Component]:
    """Every program of this lab, in the order of need."""
    made = [_etcd(spec, files), _apiserver(spec, files), _controller_manager(spec, files), _scheduler(spec, files)]
    if spec.prometheus:
        made.append(_prometheus(spec, files))
    if spec.gateway:
        made.append(_traefik(spec, files))
    return {component.name: component for component in made}


def _etcd(spec: Spec, files: Files) -> Component:
    return Component(
        name="etcd",
        argv=(
            spec.binaries["etcd"],
            f"--data-dir={files.data('etcd')}",
            f"--listen-client-urls={ETCD_URL}",
            f"--advertise-client-urls={ETCD_URL}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380",
            "--initial-cluster=default=http://127.0.0.1:2380",
            # Nothing of a lab outlives it, so nothing must survive a power cut.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        health=f"{ETCD_URL}/readyz",
    )


def _apiserver(spec: Spec, files: Files) -> Component:
    return Component(
        name="kube-apiserver",
        argv=(
            spec.binaries["kube-apiserver"],
            f"--etcd-servers={ETCD_URL}",
            "--bind-address=127.0.0.1",
            f"--secure-port={API_PORT}",
            # A loopback address is refused as an endpoint of the service `kubernetes`; this one leads to it as well.
            "--advertise-address=10.244.255.1",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--tls-cert-file={files.pki / 'server.crt'}",
            f"--tls-private-key-file={files.pki / 'server.key'}",
            f"--cert-dir={files.data('kube-apiserver')}",
            f"--token-auth-file={files.tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files.pki / 'sa.pub'}",
            f"--service-account-signing-key-file={files.pki / 'sa.key'}",
            "--profiling=false",
        ),
        health=f"{API_URL}/readyz",
    )


def _controller_manager(spec: Spec, files: Files) -> Component:
    return Component(
        name="kube-controller-manager",
        argv=(
            spec.binaries["kube-controller-manager"],
            f"--kubeconfig={files.user('kube-controller-manager')}",
            "--bind-address=127.0.0.1",
            f"--tls-cert-file={files.pki / 'server.crt'}",
            f"--tls-private-key-file={files.pki / 'server.key'}",
            f"--cert-dir={files.data('kube-controller-manager')}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={files.pki / 'sa.key'}",
            f"--root-ca-file={files.ca}",
            "--leader-elect=false",
            # The defaults (20 a second) spare API servers that many share; here they only make tests slow.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ),
        health="https://127.0.0.1:10257/healthz",
    )


def _scheduler(spec: Spec, files: Files) -> Component:
    return Component(
        name="kube-scheduler",
        argv=(
            spec.binaries["kube-scheduler"],
            f"--kubeconfig={files.user('kube-scheduler')}",
            "--bind-address=127.0.0.1",
            f"--tls-cert-file={files.pki / 'server.crt'}",
            f"--tls-private-key-file={files.pki / 'server.key'}",
            f"--cert-dir={files.data('kube-scheduler')}",
            "--leader-elect=false",
            "--profiling=false",
        ),
        health="https://127.0.0.1:10259/healthz",
    )


def _prometheus(spec: Spec, files: Files) -> Component:
    config = files.data("prometheus.yaml")
    config.write_text(yaml.safe_dump(_prometheus_config(files.user("prometheus")), sort_keys=False))
    return Component(
        name="prometheus",
        argv=(
            spec.binaries["prometheus"],
            f"--config.file={config}",
            f"--storage.tsdb.path={files.data('prometheus')}",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
            # Hidden, but there for this purpose: how long a new target waits until it is scraped.
            "--scrape.discovery-reload-interval=1s",
        ),
        health=f"http://127.0.0.1:{PROMETHEUS_PORT}/-/ready",
    )


def _prometheus_config(kubeconfig: Path) -> dict[str, object]:
    """Scrape what says that it wants to be scraped, at every port named `metrics…`, in the namespace it is in."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {
                "job_name": "pods",
                "metrics_path": "/metrics",
                # A pod must not be able to say that it is another namespace's.
                "honor_labels": False,
                "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(kubeconfig)}],
                "relabel_configs": [
                    {
                        "source_labels": ["__meta_kubernetes_pod_annotation_prometheus_io_scrape"],
                        "regex": "true",
                        "action": "keep",
                    },
                    {
                        "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                        "regex": "metrics.*",
                        "action": "keep",
                    },
                    {
                        "source_labels": ["__meta_kubernetes_pod_phase"],
                        "regex": "Pending|Succeeded|Failed",
                        "action": "drop",
                    },
                    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
                ],
            }
        ],
    }


def _traefik(spec: Spec, files: Files) -> Component:
    return Component(
        name="traefik",
        argv=(
            spec.binaries["traefik"],
            f"--entrypoints.web.address=127.0.0.1:{GATEWAY_PORT}",
            "--entrypoints.ping.address=127.0.0.1:8082",
            "--ping=true",
            "--ping.entrypoint=ping",
            "--providers.kubernetesgateway=true",
            "--providers.kubernetesgateway.throttleduration=100ms",
            "--providers.providersthrottleduration=100ms",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=INFO",
        ),
        environment={"KUBECONFIG": str(files.user("traefik"))},
        health="http://127.0.0.1:8082/ping",
    )
