local owner, lease, may_finish = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])

local known = standing(owner, '')
if known then
  return known
end
local before = redis.call('HMGET', adoption_key, 'owner', 'until', 'contested')
local contested = tonumber(before[3] or 0)
if before[1] and before[1] ~= owner then
  contested = math.max(contested, tonumber(before[2]) + may_finish)
end
redis.call('HSET', adoption_key, 'owner', owner, 'until', whole(at + lease), 'contested', whole(contested))
keep()
return { 'claimed', at < contested and '1' or '0' }
