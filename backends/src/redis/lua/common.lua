-- What all scripts know: the clock, a session's fields, whose it is.
--
-- A session is a hash at PREFIX:{HANDLE}. Its fields: v version, c created, u last used, i idle lifetime, w deadline (never
-- beyond the absolute one), a absolute deadline, s subject, g the subject's generation when it was attached, d data, k id,
-- n who wrote last. Two more while a rotate between two servers is on its way: q its number, and p (in the new one) or
-- t (in the old one) the other's handle. Times are milliseconds; NEVER is 2^44 - 1. Handles and subjects are hexadecimal.
--
-- A subject is two keys in one slot: PREFIX:g:{SUBJECT}, a hash with its generation g and who was spared by the last
-- revocation (k, and h the generation from which on it counts); and PREFIX:s:{SUBJECT}, its sessions by deadline. Invariants:
-- 1. The generation is there for as long as any session could live that was attached to the subject.
-- 2. A session lives only if its generation is the subject's, or it was spared. Where the generation is gone, so is it.
--
-- ARGV[1] is 1 where all keys are on this server (near), ARGV[2] the prefix, ARGV[3] who writes. The last one is until when
-- the caller waits: what comes later than that, out of the buffers of a network that is back, is not done.

local NEVER = 17592186044415
local near, prefix, writer = ARGV[1] == '1', ARGV[2], ARGV[3]
local time = redis.call('TIME')
local stamp = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(stamp / 1000)
if now >= tonumber(ARGV[#ARGV]) then return { 'late', string.format('%.0f', now) } end

local function text(number) return string.format('%.0f', number) end
local function key_of(handle) return prefix .. ':{' .. handle .. '}' end
local function generation_key(subject) return prefix .. ':g:{' .. subject .. '}' end
local function index_key(subject) return prefix .. ':s:{' .. subject .. '}' end

local function after(lifetime)
  if lifetime >= NEVER then return NEVER end
  return math.min(now + lifetime, NEVER - 1)
end

local function expire(key, deadline)
  if deadline >= NEVER then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIREAT', key, text(deadline))
  end
end

-- Lets a key live until then at least; ttl is what PTTL said before it was written.
local function hold(key, ttl, deadline)
  if ttl == -2 or deadline >= NEVER or (ttl >= 0 and now + ttl < deadline) then expire(key, deadline) end
end

-- Whether a session of this generation is still the subject's; and the subject's generation.
local function belongs(generations, handle, generation)
  local found = redis.call('HMGET', generations, 'g', 'k', 'h')
  local current = found[1]
  local spared = found[2] == handle and generation and tonumber(generation) >= tonumber(found[3])
  return current and (current == generation or spared), current
end

-- Puts a session on the subject's list before it lives; says its generation.
local function attach(generations, index, handle, deadline)
  local ttl = redis.call('PTTL', generations)
  redis.call('HSETNX', generations, 'g', text(stamp))
  hold(generations, ttl, deadline)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', text(now))
  ttl = redis.call('PTTL', index)
  redis.call('ZADD', index, 'GT', text(deadline), handle)
  hold(index, ttl, deadline)
  return redis.call('HGET', generations, 'g')
end

local function detach(subject, handle) redis.call('ZREM', index_key(subject), handle) end

-- Removes a session that is on this server, and from its subject's list where that is, too.
local function remove(key, session)
  redis.call('DEL', key)
  if near and session.s then detach(session.s, session.handle) end
end

-- The live session at a key, or nothing. Far from its subject its generation is not looked at. The second value is the
-- number, the third the kind of a rotate that is on its way, the fourth the other handle.
local function load(key, handle)
  local found = redis.call('HMGET', key, 'v', 'c', 'u', 'i', 'w', 'a', 's', 'g', 'n', 'q', 'p', 't')
  if found[10] then return nil, found[10], found[11] and 'pending' or 'rotated', found[11] or found[12] end
  if not found[1] then return nil end
  local session = {
    handle = handle, v = tonumber(found[1]), c = found[2], u = found[3], i = tonumber(found[4]),
    w = tonumber(found[5]), a = tonumber(found[6]), s = found[7] or nil, g = found[8] or nil, n = found[9],
  }
  if session.w <= now or (near and session.s and not belongs(generation_key(session.s), handle, session.g)) then
    remove(key, session)
    return nil
  end
  return session
end

-- What a write says of deadlines, from six arguments: the kind of idle ('' nothing, f so long, u until, b begun), its
-- lifetime, its deadline, the kind of absolute ('' nothing, f, u), its value, whether it may shorten.
local function asked(at)
  return {
    idle = ARGV[at], lifetime = tonumber(ARGV[at + 1]), deadline = tonumber(ARGV[at + 2]),
    absolute = ARGV[at + 3], limit = tonumber(ARGV[at + 4]), shorten = ARGV[at + 5] == '1',
  }
end

-- The deadlines that a write comes to; before is what a live session had, defaults are those of the settings.
local function terms(ask, before, default_idle, default_absolute)
  local own = before and before.i or default_idle
  local idle = ask.idle == '' and own or ask.lifetime
  local next = ask.deadline
  if ask.idle == '' or ask.idle == 'f' then next = after(idle) end
  if ask.idle == 'u' then idle = next >= NEVER and NEVER or math.max(next - now, 0) end
  local limit = ask.limit
  if ask.absolute == 'f' then limit = after(limit) end
  local absolute
  if before then
    absolute = ask.absolute == '' and before.a or math.min(limit, before.a)
  elseif ask.absolute ~= '' then
    absolute = limit
  else
    absolute = after(default_absolute)
  end
  if before and not ask.shorten and not (ask.idle == 'u' and next <= now) then next = math.max(next, before.w) end
  return { deadline = math.min(next, absolute), absolute = absolute, idle = idle }
end

-- A version later than that of what is there.
local function version_after(before) return before and math.max(before.v + 1, stamp) or stamp end

-- A server without memory refuses the first command of a script that needs some, and lets a script go on that has written: so
-- what needs memory comes first.
local function write(key, version, created, used, term, subject, generation, data, id)
  redis.call('HSET', key, 'v', text(version), 'c', created, 'u', used, 'i', text(term.idle), 'w', text(term.deadline),
    'a', text(term.absolute), 'd', data, 'n', writer)
  if subject then redis.call('HSET', key, 's', subject, 'g', generation) else redis.call('HDEL', key, 's', 'g') end
  if id ~= '' then redis.call('HSET', key, 'k', id) end
  expire(key, term.deadline)
end
