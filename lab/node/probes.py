"""Is a container ready, and is it alive? The kubelet's HTTP and TCP probes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

Object = dict[str, Any]


async def probe_forever(
    session: aiohttp.ClientSession,
    probe: Object,
    container: Object,
    ip: str,
    told: Callable[[bool], Awaitable[None]],
    *,
    eager: bool,
) -> None:
    """Probe until cancelled; `told` hears of each change of the verdict.

    Eager is to look often until there is a first verdict: a rollout waits for readiness. Liveness must not be in such
    a hurry, or a process that needs a second to start is killed before.
    """
    await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
    period = float(probe.get("periodSeconds") or 10)
    enough = {True: int(probe.get("successThreshold") or 1), False: int(probe.get("failureThreshold") or 3)}
    verdict: bool | None = None
    run = 0
    last: bool | None = None
    while True:
        result = await _once(session, probe, container, ip)
        run = run + 1 if result is last else 1
        last = result
        if run >= enough[result] and result is not verdict:
            verdict = result
            await told(result)
        await asyncio.sleep(min(period, 0.2) if eager and verdict is None else period)


async def _once(session: aiohttp.ClientSession, probe: Object, container: Object, ip: str) -> bool:
    seconds = float(probe.get("timeoutSeconds") or 1)
    try:
        async with asyncio.timeout(seconds):
            if "httpGet" in probe:
                get = probe["httpGet"]
                scheme = str(get.get("scheme") or "HTTP").lower()
                url = f"{scheme}://{get.get('host') or ip}:{port_of(get['port'], container)}{get.get('path') or '/'}"
                headers = {h["name"]: h["value"] for h in get.get("httpHeaders") or ()}
                async with session.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
                    return 200 <= response.status < 400
            if "tcpSocket" in probe:
                where = probe["tcpSocket"]
                _, writer = await asyncio.open_connection(where.get("host") or ip, port_of(where["port"], container))
                writer.close()
                return True
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
    # An exec or gRPC probe, which the lab does not have: what cannot be found out is not so.
    return False


def port_of(port: int | str, container: Object) -> int:
    """A port by number, or by its name in the container."""
    if isinstance(port, int):
        return port
    return next((p["containerPort"] for p in container.get("ports") or () if p.get("name") == port), 0)
