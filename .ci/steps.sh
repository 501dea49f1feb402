# What `run` and `full` are made of: each step runs, whatever became of the others, and the end says which failed.

failed=()

step() {
    printf '\n=== %s (after %d s)\n' "$*" "$SECONDS"
    "$@" || failed+=("$*")
}

# Steps that wait more than they work, at the same time; what each printed is shown when it has ended.
together() {
    local logs running=() line n
    logs=$(mktemp -d)
    printf '\n=== together: %s (after %d s)\n' "$(printf '%s; ' "$@")" "$SECONDS"
    for line in "$@"; do
        # shellcheck disable=SC2086 # a command and its words
        eval "$line" >"$logs/${#running[@]}" 2>&1 &
        running+=($!)
    done
    for n in "${!running[@]}"; do
        line=${*:n+1:1}
        wait "${running[n]}" || failed+=("$line")
        printf '\n--- %s (ended by %d s)\n' "$line" "$SECONDS"
        cat "$logs/$n"
    done
    rm -r "$logs"
}

free_port() {
    .venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

verdict() {
    printf '\n'
    if [ ${#failed[@]} -gt 0 ]; then
        printf 'failed: %s\n' "${failed[@]}"
        exit 1
    fi
    printf 'all passed in %d s\n' "$SECONDS"
}
