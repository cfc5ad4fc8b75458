-- Whoever cleared is done, KEYS[1] is the sign of it: unless somebody else has begun since.
if redis.call('GET', KEYS[1]) == writer then redis.call('DEL', KEYS[1]) end
return { 'ok' }
