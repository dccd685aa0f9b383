local owner = ARGV[10]

-- A lease that ended may be somebody else's by now.
local known = redis.call('HMGET', adoption_key, 'owner', 'contested')
if known[1] == owner then
  if at < tonumber(known[2] or 0) then
    redis.call('HSET', adoption_key, 'until', '0')
  else
    redis.call('DEL', adoption_key)
  end
end
return standing('', '') or {}
