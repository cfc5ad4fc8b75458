-- Removes a session that was found to be revoked, KEYS[1], if it is still as it was found.
local found = redis.call('HMGET', KEYS[1], 's', 'g')
if found[1] == ARGV[4] and found[2] == ARGV[5] then redis.call('DEL', KEYS[1]) end
return { 'ok' }
