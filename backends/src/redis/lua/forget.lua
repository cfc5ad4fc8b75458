-- After a revocation elsewhere: removes a session of the subject, KEYS[1], that was attached before it. Says whether it lived.
local handle, subject, revoked, spared, spared_generation = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local found = redis.call('HMGET', KEYS[1], 's', 'g', 'w', 'q')
if found[1] ~= subject or tonumber(found[2]) > tonumber(revoked) then return { 'ok', 0 } end
redis.call('DEL', KEYS[1])
local was_his = found[2] == revoked or (handle == spared and tonumber(found[2]) >= tonumber(spared_generation))
return { 'ok', was_his and not found[4] and tonumber(found[3]) > now and 1 or 0 }
