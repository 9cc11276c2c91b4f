#!/usr/bin/env bash
# From a fresh Debian 12 to a fine-tuned model: set-up, build, data, training on two ranks, evaluation, prediction.
# The last line is the run's result.json.
#
#   recipes/quickstart.sh [key.sub=value …]      changes to recipes/quickstart.yaml
#
# Each call is a run of its own, in runs/. To go on with an interrupted one, name it: output_dir=runs/….
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cluster/setup.sh
recipes/data/reviews.sh
# shellcheck source=cluster/mpi.sh
. cluster/mpi.sh

run=runs/quickstart-$(date +%Y%m%d-%H%M%S)
for override in "$@"; do
  case $override in output_dir=*) run=${override#output_dir=} ;; esac
done
step() {
  printf '\n$ %s\n' "$*"
  "$@"
}
step mpirun -n 2 build/release/thaw train recipes/quickstart.yaml "$@" "output_dir=$run"
step build/release/thaw eval "$run" --data build/data/reviews/test.tsv
printf '\n$ build/release/thaw predict %s\n' "$run"
paste <(build/release/thaw predict "$run" - <<'END'
A moving, funny film that I would happily see again.
Two hours of my life that nobody will give me back.
The plot is thin, but the actors make it worth your while.
END
) <(printf '%s\n' 'A moving, funny film that …' 'Two hours of my life …' 'The plot is thin, but …')

printf '\n%s/result.json\n' "$run"
sed 's/^ *//' "$run/result.json" | tr -d '\n'
echo
