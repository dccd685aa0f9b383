local adoption_key, owner = KEYS[3], ARGV[3]

-- A lease that ended may be somebody else's by now.
if redis.call('HMGET', adoption_key, 'owner')[1] == owner then
  redis.call('DEL', adoption_key)
end
return 1
