# A server on a volume that other files have filled.
[ "$(id -u)" -eq 0 ] || cannot "only root may mount a volume"
mkdir volume
mount -t tmpfs -o size=12m,mode=0700 sessile-runbook volume 2>mount.err || cannot "no volume can be mounted: $(cat mount.err)"
echo volume >mounted
ln -s volume/sessions sessions
start-server "PLACE=sessile:volume/sessions?segment_bytes=1MiB" SESSIONS=200 BYTES=1000 CART_BYTES=20000
head -c 12m /dev/zero >volume/other-files 2>/dev/null || true
for _ in $(seq 500); do
    [ ! -s server.log ] || break
    sleep 0.02
done
[ -s server.log ]
