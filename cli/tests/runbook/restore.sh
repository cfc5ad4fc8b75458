# A store whose disk is gone, and a backup of it.
start-server PLACE=sessile:sessions SESSIONS=50
sessile backup "$DIR" "$BACKUP"
stop-server
mv sessions gone
