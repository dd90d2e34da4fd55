#!/bin/sh
# Makes the certificates of the tests anew, all of them, into this folder. They are for tests alone: their keys are public.
# They end in 2100, but for expired.pem. The keys of the two authorities are not kept.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# sign NAME CA-OPTIONS: a certificate NAME.pem for $work/request, from $from to $to, with the extensions on stdin.
sign() {
    name=$1
    shift
    printf '%s\n' "[ca]" "default_ca=a" "[a]" "database=$work/index" "rand_serial=yes" "policy=p" "new_certs_dir=$work" \
        "[p]" "commonName=supplied" "[ext]" > "$work/conf"
    cat >> "$work/conf"
    : > "$work/index"
    openssl ca -batch -notext -config "$work/conf" -extensions ext -md sha256 -in "$work/request" -out "$name.pem" \
        -startdate "$from" -enddate "$to" "$@" 2>"$work/said" || { cat "$work/said"; exit 1; }
}

# ca NAME: an authority NAME.pem.
ca() {
    key "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=Logway test $1" -out "$work/request"
    printf '%s\n' "basicConstraints=critical,CA:TRUE" "keyUsage=critical,keyCertSign,cRLSign" "subjectKeyIdentifier=hash" |
        sign "$1" -selfsign -keyfile "$work/$1.key"
}

# issue CA KEY NAME SAN: a certificate NAME.pem for KEY.
issue() {
    openssl req -new -key "$2" -subj "/CN=$3" -out "$work/request"
    printf '%s\n' "basicConstraints=CA:FALSE" "keyUsage=critical,digitalSignature" \
        "extendedKeyUsage=serverAuth,clientAuth" "subjectAltName=$4" |
        sign "$3" -cert "$1.pem" -keyfile "$work/$1.key"
}

here="DNS:localhost,IP:127.0.0.1,IP:::1"
from=20200101000000Z
to=21000101000000Z
ca ca
ca other-ca
key server.key
key client.key
issue ca server.key server "$here"
issue ca server.key elsewhere "DNS:elsewhere.example"
issue ca client.key client "DNS:client"
issue other-ca client.key stranger "DNS:client"
openssl pkey -in client.key -aes-256-cbc -passout pass:secret -out encrypted.key
to=20200102000000Z
issue ca server.key expired "$here"
