local family_key = KEYS[5]
local known_epoch, family, pair = tonumber(ARGV[10]), ARGV[11], ARGV[12]
local refresh, expires_at, last_expiry = ARGV[13], ARGV[14], ARGV[15]

-- Whoever has a claim meanwhile asks in vain: the gateway has exchanged the token for us.
local known = standing('', family)
if known and known[1] ~= 'busy' then
  return known
end
open_family(family_key, user, refresh, expires_at, last_expiry)
local epoch = whole(math.max((read_epoch(epoch_key)), known_epoch))
redis.call('DEL', adoption_key)
redis.call('HSET', adoption_key, 'at', whole(at), 'epoch', epoch, 'pair', pair, 'family', family)
keep()
return { 'done', epoch, pair }
