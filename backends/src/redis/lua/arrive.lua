-- The third step: at the new key, KEYS[1], the session is there for all to see; or it goes, if it never left the old one.
local number, arrives = ARGV[4], ARGV[5] == '1'
if redis.call('HGET', KEYS[1], 'q') ~= number or redis.call('HEXISTS', KEYS[1], 'p') == 0 then return { 'ok' } end
if arrives then redis.call('HDEL', KEYS[1], 'q', 'p') else redis.call('DEL', KEYS[1]) end
return { 'ok' }
