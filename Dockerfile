# syntax=docker/dockerfile:1
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin boathouse

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /warehouse --shell /usr/sbin/nologin boathouse \
    && install --directory --owner=boathouse /warehouse
COPY --from=build /source/target/release/boathouse /usr/local/bin/boathouse
USER boathouse
WORKDIR /warehouse
VOLUME /warehouse
# Inside a container, loopback reaches nobody else.
ENV BOATHOUSE_SERVER_LISTEN=0.0.0.0:5433 \
    BOATHOUSE_WAREHOUSE_URL=/warehouse
EXPOSE 5433
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD curl --fail --silent http://127.0.0.1:9187/health
ENTRYPOINT ["boathouse"]
CMD ["serve"]
