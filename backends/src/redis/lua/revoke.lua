-- Ends all sessions of a subject but one: KEYS are its generation and its list. Here the sessions, too, if they are near;
-- otherwise says which they may be, and of which generations.
local subject, keep, keep_generation = ARGV[4], ARGV[5], ARGV[6]
local found = redis.call('HMGET', KEYS[1], 'g', 'k', 'h')
local current = found[1]
if not current then return { 'ok', 0 } end

if near and keep ~= '' then
  local session = load(key_of(keep), keep)
  keep_generation = session and session.s == subject and session.g or ''
end
-- Once spared, he is so from that generation on: what is saved for him may be of any that has been since.
local since = found[2] == keep and found[3] or current
local spared = keep ~= '' and keep_generation ~= '' and tonumber(keep_generation) >= tonumber(since)
local ended, far = 0, {}
local listed = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for at = 1, #listed, 2 do
  local handle = listed[at]
  if not (spared and handle == keep) then
    if near then
      local session = load(key_of(handle), handle)
      if session and session.s == subject then
        redis.call('DEL', key_of(handle))
        ended = ended + 1
      end
      redis.call('ZREM', KEYS[2], handle)
    else
      far[#far + 1] = handle
      far[#far + 1] = listed[at + 1]
    end
  end
end
redis.call('HSET', KEYS[1], 'g', text(math.max(stamp, tonumber(current) + 1)))
if spared then
  redis.call('HSET', KEYS[1], 'k', keep, 'h', since)
else
  redis.call('HDEL', KEYS[1], 'k', 'h')
end
if near then return { 'ok', ended } end
return { 'ok', 0, current, found[2] or '', found[3] or '', far }
