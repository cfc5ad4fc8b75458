# A closed store with bytes in its oldest segment that nobody wrote.
run-server PLACE=sessile:sessions SESSIONS=200 BYTES=1000
run-server PLACE=sessile:sessions SESSIONS=300 BYTES=1000
first=$(ls sessions/*.seg | head -n 1)
printf 'these bytes are wrong' | dd of="$first" bs=1 seek=60000 conv=notrunc status=none
