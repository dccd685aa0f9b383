local adoption_key, epoch_key, family_key = KEYS[3], KEYS[4], KEYS[5]
local user, id, issued_at, ends_at = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local grace, known_epoch, family, pair = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local refresh, expires_at, last_expiry = ARGV[11], ARGV[12], ARGV[13]

-- Whoever has a claim meanwhile asks in vain: the gateway has exchanged the token for us.
local known = standing(adoption_key, epoch_key, user, id, issued_at, '', grace)
if known and known[1] ~= 'busy' then
  return known
end
open_family(family_key, user, refresh, expires_at, last_expiry)
local epoch = whole(math.max((read_epoch(epoch_key)), known_epoch))
redis.call('DEL', adoption_key)
redis.call('HSET', adoption_key, 'at', whole(at), 'epoch', epoch, 'pair', pair, 'family', family)
redis.call('EXPIREAT', adoption_key, whole(tonumber(ends_at) + slack))
return { 'done', epoch, pair }
