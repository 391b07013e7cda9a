#!/bin/sh
# Makes the secrets that docker-compose.yml and deploy/tls.yml name, those that are not there yet, but for
# certificates. Never overwrites one.
# Compose mounts a secret with the owner and mode of its file, and a container's user must read it. So the
# files may be read by all and their directory by its owner only.
set -eu
cd "$(dirname "$0")/secrets"
chmod 0700 .
umask 077
for name in guid_default_key guid_mint_token postgres_password; do
    [ -s "$name" ] && continue
    head -c 32 /dev/urandom | base64 >"$name.part"
    chmod 0444 "$name.part"
    mv "$name.part" "$name"
    echo "made deploy/secrets/$name"
done
# Empty: the mail server asks for none. Write it there if it does.
if [ ! -e smtp_password ]; then
    : >smtp_password
    chmod 0444 smtp_password
    echo "made deploy/secrets/smtp_password (empty)"
fi
