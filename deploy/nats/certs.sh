#!/bin/sh
# Certificates for a cluster, by openssl. A folder holds the authority and what it signed:
#
#     certs.sh DIR ca                               the authority: ca.pem and ca.key. Keep ca.key off the machines
#     certs.sh DIR server node1 DNS:node1,IP:10.0.0.1   a node's or leaf's: node1.pem and node1.key, with all names that it is dialled by
#     certs.sh DIR client agent                     a client's: agent.pem and agent.key
#
# The authority is good for ten years, the others for 400 days (DAYS=N for another number). What is there already is not written over.
set -eu
umask 077
fail() { echo "certs.sh: $1" >&2; exit 2; }

[ $# -ge 2 ] || fail "usage: certs.sh DIR ca | server NAME SAN | client NAME"
dir=$1 kind=$2 name=${3:-ca}
case $kind in
    ca) [ $# -eq 2 ] || fail "the authority takes no name" ;;
    server) [ $# -eq 4 ] || fail "a server needs a name, and the names that it is dialled by, as DNS:node1,IP:10.0.0.1" ;;
    client) [ $# -eq 3 ] || fail "a client needs a name" ;;
    *) fail "$kind is not ca, server or client" ;;
esac
case $name in */* | "" | .*) fail "the name becomes a file: use letters, digits and '-'" ;; esac
mkdir -p "$dir"
cd "$dir"
for file in "$name.pem" "$name.key"; do
    [ ! -e "$file" ] || fail "$dir/$file exists: move it away to make a new one"
done

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$name.key" 2>/dev/null
if [ "$kind" = ca ]; then
    openssl req -x509 -new -key ca.key -days 3650 -subj "/CN=Logway bus" -out ca.pem \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
    chmod 644 ca.pem
    exit
fi

[ -e ca.key ] || fail "$dir/ca.key is not there: make the authority first, with 'certs.sh $dir ca'"
{
    echo "basicConstraints=critical,CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    # A node is a client, too: of the nodes that it has a route to.
    if [ "$kind" = server ]; then
        echo "extendedKeyUsage=serverAuth,clientAuth"
        echo "subjectAltName=$4"
    else
        echo "extendedKeyUsage=clientAuth"
        echo "subjectAltName=DNS:$name"
    fi
} > "$name.ext"
openssl req -new -key "$name.key" -subj "/CN=$name" |
    openssl x509 -req -CA ca.pem -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -days "${DAYS:-400}" -sha256 \
        -extfile "$name.ext" -out "$name.pem" 2>/dev/null || { rm -f "$name.key" "$name.ext"; fail "openssl refused: is the list of names right?"; }
rm -f "$name.ext"
chmod 644 "$name.pem"
