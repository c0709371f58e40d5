# The image of operator and responder: `firebreak run`, `firebreak responder`.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/firebreak
COPY requirements.lock requirements-build.lock pyproject.toml README.md ./
# Exactly what was tested: every package by its hash, wheels only, so nothing runs code while it is installed. The lock
# covers the extras as well; the image takes those of its packages that Firebreak itself needs.
RUN pip download --quiet --no-cache-dir --require-hashes --only-binary :all: --dest /wheels \
    -r requirements.lock -r requirements-build.lock
COPY operator operator
RUN /opt/firebreak/bin/pip install --quiet --no-cache-dir --no-index --find-links /wheels --upgrade setuptools \
    && /opt/firebreak/bin/pip install --quiet --no-cache-dir --no-index --find-links /wheels --no-build-isolation .

FROM python:3.11-slim
LABEL org.opencontainers.image.title="firebreak" \
      org.opencontainers.image.description="A Kubernetes operator that contains AI incidents" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/firebreak /opt/firebreak
ENV PATH=/opt/firebreak/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["firebreak"]
CMD ["run"]
