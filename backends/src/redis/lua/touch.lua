-- A session was used: KEYS[1].
local handle, idle = ARGV[4], tonumber(ARGV[5])
local seen, seen_generation, held = ARGV[6], ARGV[7], tonumber(ARGV[8])

local session, number, kind, other = load(KEYS[1], handle)
if kind == 'pending' then return { kind, number, other } end
if not session then return { number and 'ended' or 'unknown' } end
local deadline = math.max(math.min(after(idle), session.a), session.w)
if session.s and near then
  attach(generation_key(session.s), index_key(session.s), handle, deadline)
elseif session.s and not (session.s == seen and session.g == seen_generation and held >= deadline) then
  return { 'ask', session.s, session.g, session.s, text(deadline) }
end
redis.call('HSET', KEYS[1], 'w', text(deadline), 'u', text(now))
expire(KEYS[1], deadline)
return { 'ok' }
