-- At the old key, KEYS[1]: whether a rotate has left it. With a fence, and if it has not, it never will.
local number, fence = ARGV[4], ARGV[5] == '1'
local found = redis.call('HMGET', KEYS[1], 'q', 'v')
if found[1] == number then return { 'left' } end
if fence and found[2] and not found[1] then
  redis.call('HSET', KEYS[1], 'v', text(version_after({ v = tonumber(found[2]) })))
end
return { 'not' }
