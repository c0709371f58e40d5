"""What does the prompt tell the server to do?

"Prompt" stands for everything that a team changes without building an image. It is a file of a ConfigMap, read when
the server starts, as most applications do: a changed ConfigMap alone changes nothing until the pods are restarted.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The settings of one prompt.yaml, and the digest of its bytes."""

    depth: int
    min_score: float
    redact: bool
    answer: str
    dated: str
    refusal: str
    digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The prompt in this file; ValueError names the field that is missing or wrong."""
        content = path.read_bytes()
        document = yaml.safe_load(content)
        try:
            prompt = cls(
                depth=int(document["depth"]),
                min_score=float(document["minScore"]),
                redact=bool(document["redact"]),
                answer=str(document["answer"]),
                dated=str(document["dated"]),
                refusal=str(document["refusal"]),
                digest=hashlib.sha256(content).hexdigest(),
            )
            prompt.answer.format(passage="")
            prompt.dated.format(passage="", as_of="")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: field {error} is missing or malformed") from error
        return prompt


def revision_label(release: str, prompt: Prompt) -> str:
    """What the metrics call this revision: only what the process has really loaded goes into it."""
    return f"{release}-{prompt.digest[:8]}"
