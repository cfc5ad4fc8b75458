-- The last step: what a rotate has left at the old key, KEYS[1], has served.
local found = redis.call('HMGET', KEYS[1], 'q', 't')
if found[1] == ARGV[4] and found[2] then redis.call('DEL', KEYS[1]) end
return { 'ok' }
