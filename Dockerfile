# headwater with its dashboard, for all roles: `gateway`, `engine`, or `serve` on one machine.
#   docker build -t headwater .
FROM node:22-bookworm-slim AS node

FROM python:3.11-slim-bookworm AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && pip install --no-cache-dir 'uv>=0.13' 'hatchling>=1.27'
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE hatch_build.py ./
# What is locked, by hash, without what only tests and benches use.
RUN uv export --quiet --frozen --no-default-groups --extra cluster --no-emit-project --no-header -o /tmp/requirements \
 && python -m venv /opt/headwater \
 && /opt/headwater/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements
COPY ui ui
COPY src src
RUN python hatch_build.py \
 && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/headwater/bin/pip install --no-cache-dir --no-deps /tmp/wheel/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home headwater && install -d -o headwater -g headwater -m 700 /data
COPY --from=build /opt/headwater /opt/headwater
COPY deploy/entrypoint /usr/local/bin/headwater-entrypoint
ENV PATH=/opt/headwater/bin:$PATH PYTHONUNBUFFERED=1 HEADWATER_DATA_DIR=/data
USER headwater
VOLUME /data
EXPOSE 8080 8090
ENTRYPOINT ["headwater-entrypoint"]
CMD ["serve", "--host", "0.0.0.0"]
