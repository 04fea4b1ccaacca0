# The service on the CPU. `npm run generate` makes Dockerfile.cuda, for NVIDIA GPUs, from this file.
#
#   docker build -t oxboard .
#   docker run -p 8000:8000 -v oxboard-data:/data -v oxboard-models:/models oxboard
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

# What the service runs on: the build has it too, so that both have the same system libraries.
FROM ${NODE_IMAGE} AS base
# Debian keeps only the newest build of a package: a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg python3 redis-server tini \
    && rm -rf /var/lib/apt/lists/*

FROM base AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake g++ make python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
# A folder of its own, which its user can bring up to date while the container runs. YouTube asks for
# a JavaScript runtime, and yt-dlp for a newer Node.js than the one here: deno comes along.
ARG YT_DLP_VERSION=2026.10.26
RUN python3 -m venv /opt/yt-dlp \
    && /opt/yt-dlp/bin/pip install --no-cache-dir "yt-dlp[default,deno]==${YT_DLP_VERSION}"
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json ./
RUN npm ci
COPY CMakeLists.txt ./
COPY native native
COPY scripts scripts
RUN npm run build:native
COPY src src
RUN npm run build && node scripts/prune.mjs
# Of libtorch only what is loaded.
RUN find .libtorch -type d \( -name include -o -name share \) -prune -exec rm -r {} +

FROM base
ENV NODE_ENV=production \
    ENVIRONMENT=production \
    HOST=0.0.0.0 \
    DATA_DIR=/data \
    DEMUCS_MODELS_PATH=/models \
    PATH=/opt/yt-dlp/bin:${PATH}
RUN mkdir /data /models && chown node:node /data /models
COPY --from=build --chown=node:node /opt/yt-dlp /opt/yt-dlp
WORKDIR /app
COPY package.json ./
COPY scripts/setup scripts/setup
COPY models models
COPY --from=build /app/.libtorch .libtorch
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/build/Release/oxboard.node build/Release/oxboard.node
COPY --from=build /app/dist dist
RUN ln -s /app/dist/bin/cli.js /usr/local/bin/oxboard && chmod +x dist/bin/cli.js
# The image's user `node`, by number so that a host can see that it is not root.
USER 1000:1000
VOLUME ["/data", "/models"]
EXPOSE 8000 9090
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8000}${(process.env.BASE_PATH || '').replace(/[/]$/, '')}/api/v1/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# As the first process of a container ours could not die by a signal, nor end what others left.
ENTRYPOINT ["tini", "--", "oxboard"]
CMD ["serve"]
