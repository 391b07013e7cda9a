# One image for every service: the command chooses which (docker-compose.yml). How to run it: docs/deploy.md.
# The base is pinned by its tag. For a build that can be repeated to the byte give a digest: --build-arg BASE=...@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# Set it to a mirror where the public registry is out of reach; unset, pip's own default holds.
ARG PIP_INDEX_URL
# requirements.lock leaves out what cleans pixels, and makes the image some 400 MB smaller.
ARG LOCK=requirements-pixels.lock
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements-build.lock requirements.lock requirements-pixels.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /opt/diana \
    && /opt/build/bin/pip --python /opt/diana/bin/python install --only-binary :all: --require-hashes -r "${LOCK}"
COPY pyproject.toml README.md LICENSE ./
COPY clients/python clients/python
COPY clients/endpoints clients/endpoints
COPY clients/cli clients/cli
COPY clients/mock clients/mock
COPY services services
# Nothing is fetched from here on.
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels ./clients/python . \
    && /opt/build/bin/pip --python /opt/diana/bin/python install --no-index --no-deps /wheels/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="DIANA mesh" \
      org.opencontainers.image.description="DICOM archive, index, identities, de-identification, notification and rules behind gRPC, and their DICOM network door" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0"
# A named volume takes its first owner from the directory it covers.
RUN groupadd --gid 10001 diana \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/diana --shell /usr/sbin/nologin diana \
    && install -d -o diana -g diana -m 0700 /var/lib/diana /incoming
COPY --from=build /opt/diana /opt/diana
COPY --chmod=0755 deploy/health.py /usr/local/bin/diana-health
ENV PATH=/opt/diana/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/diana
USER 10001:10001
# The check belongs to the command below. Whoever gives another command gives its check too, as docker-compose.yml does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["diana-health", "127.0.0.1:50061", "diana.archive.v1.ArchiveService"]
CMD ["python", "-m", "diana_archive"]
