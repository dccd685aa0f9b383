local adoption_key, epoch_key = KEYS[3], KEYS[4]
local user, id, issued_at, ends_at = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local owner, lease, grace = ARGV[7], tonumber(ARGV[8]), ARGV[9]

local known = standing(adoption_key, epoch_key, user, id, issued_at, owner, grace)
if known then
  return known
end
redis.call('HSET', adoption_key, 'owner', owner, 'until', whole(at + lease))
redis.call('EXPIREAT', adoption_key, whole(tonumber(ends_at) + slack))
return { 'claimed' }
