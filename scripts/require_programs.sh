#!/usr/bin/env bash
# Installs the system programs this project runs on, where apt and root allow it; otherwise names them.
set -euo pipefail
declare -A package=([git]=git [tmux]=tmux [rsync]=rsync [ssh]=openssh-client [sshd]=openssh-server [ssh-keygen]=openssh-client)
missing=()
for program in "${!package[@]}"; do
    command -v "$program" >/dev/null || [[ -x /usr/sbin/$program ]] || missing+=("${package[$program]}")
done
if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "error: missing programs; install these packages and run again: ${missing[*]}" >&2
    exit 2
fi
