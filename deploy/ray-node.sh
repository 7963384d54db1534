#!/bin/sh
# A node of the Ray cluster at RAY_ADDRESS (host:port):
#   ray-node head              keeps the books; runs no trials
#   ray-node worker            runs trials on its CPUs and GPUs
#   ray-node healthy           whether the head answers and, on a worker, whether this node does
#   ray-node driver ARGS...    fer-sweep ARGS; joins the cluster first, without resources, if ARGS ask for --executor ray
# Everything else Ray needs to know (RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH) it reads itself.
set -eu

role=$1
shift

# Ray guesses its own address by a route to the internet, which the internal network has not. Ours is the one that
# faces the head.
own_address() {
  python -c 'import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.connect((host, int(port)))
    print(probe.getsockname()[0])' "$RAY_ADDRESS"
}

case $role in
  head)
    # no dashboard: its jobs API runs what anybody sends it
    exec ray start --head --block --disable-usage-stats --include-dashboard=false --num-cpus=0 --num-gpus=0 \
      --node-ip-address="$(own_address)" --port="${RAY_ADDRESS##*:}" --object-store-memory="$RAY_OBJECT_STORE_BYTES"
    ;;
  worker)
    exec ray start --block --disable-usage-stats --address="$RAY_ADDRESS" --node-ip-address="$(own_address)" \
      --node-manager-port="$RAY_NODE_PORT" --object-store-memory="$RAY_OBJECT_STORE_BYTES" \
      ${RAY_WORKER_CPUS:+--num-cpus="$RAY_WORKER_CPUS"}
    ;;
  healthy)
    ray health-check --address "$RAY_ADDRESS"
    [ -z "${RAY_NODE_PORT:-}" ] || python -c 'import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close()' "$(own_address)" "$RAY_NODE_PORT"
    ;;
  driver)
    case " $* " in
      *" --executor ray "* | *" --executor=ray "*)
        # a driver must stand on a node of its cluster
        ray start --disable-usage-stats --address="$RAY_ADDRESS" --node-ip-address="$(own_address)" \
          --num-cpus=0 --num-gpus=0 --object-store-memory="$RAY_OBJECT_STORE_BYTES" >&2
        ;;
    esac
    exec fer-sweep "$@"
    ;;
  *)
    echo "error: ray-node $role: head, worker, healthy or driver." >&2
    exit 2
    ;;
esac
