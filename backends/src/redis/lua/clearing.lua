-- Somebody clears: KEYS[1] says so for a while, also if he dies. Says whether it has been there since he began.
local begins, lasts = ARGV[4] == '1', ARGV[5]
if not begins and redis.call('PEXPIRE', KEYS[1], lasts) == 1 then return { 'ok' } end
redis.call('SET', KEYS[1], writer, 'PX', lasts)
return { begins and 'ok' or 'gap' }
