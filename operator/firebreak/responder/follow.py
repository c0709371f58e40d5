"""How does the responder learn of changed answers? It lists the AIServices and watches on from there, for ever."""

import asyncio
from contextlib import aclosing

import structlog

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.kinds import FIREBREAK
from firebreak.core.ports import ClusterError
from firebreak.responder.answers import Answers

log = structlog.get_logger()

_KIND = FIREBREAK["AIService"]
_LONGEST_PAUSE_SECONDS = 10.0


async def follow(client: KubeClient, answers: Answers) -> None:
    """Keep the answers equal to the cluster; without the API server they stay what they were."""
    pause = 0.5
    while True:
        try:
            listed = await client.list(_KIND)
            answers.replace_all(listed.items)
            pause = 0.5
            async with aclosing(client.watch(_KIND, listed.resource_version)) as events:
                async for event in events:
                    match event.get("type"):
                        case "ADDED" | "MODIFIED":
                            answers.keep(event["object"])
                        case "DELETED":
                            answers.forget(event["object"])
                        case _:
                            break  # what was known has expired: list again
        except ClusterError as error:
            log.warning("services_unknown", error=str(error), keeps_answering=answers.listed)
        # Also after a stream that ended well, so that one that ends at once cannot become a hot loop.
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
