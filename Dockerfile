# Imagewright in a container: `docker build --tag imagewright .`, then see docs/packages.md.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY server server
# the environment goes into the second stage as it is; what pip and the build need stays behind
RUN python -m venv /opt/imagewright \
 && /opt/imagewright/bin/pip install --no-cache-dir . \
 && /opt/imagewright/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Imagewright" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/imagewright /opt/imagewright
# a number and not a name, so that Kubernetes can tell that it is not root
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
ENV PATH=/opt/imagewright/bin:$PATH \
    HOME=/data \
    TMPDIR=/data \
    IMAGEWRIGHT_HOME=/data \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# pictures, library, keys and configuration: nothing else is ever written, so the rest of the file system can be read-only
VOLUME /data
WORKDIR /data
# not the server itself: the container would end with it, and so would a paid request that is under way
ENTRYPOINT ["python", "-m", "imagewright.cli.first_process"]
STOPSIGNAL SIGTERM
