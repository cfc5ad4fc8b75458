-- Takes sessions off a subject's list, KEYS[1], that nobody has put there anew: pairs of handle and score.
for at = 4, #ARGV - 1, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[at]) == ARGV[at + 1] then redis.call('ZREM', KEYS[1], ARGV[at]) end
end
return { 'ok' }
