local family_key, epoch_key = KEYS[3], KEYS[4]
local user, refresh, expires_at, last_expiry, known_epoch = ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])

redis.call('DEL', family_key)
redis.call('HSET', family_key, 'user', user, 'live', refresh, 'expires_at', expires_at, 'last_expiry', last_expiry)
redis.call('EXPIREAT', family_key, whole(tonumber(last_expiry) + slack))
local epoch = read_epoch(epoch_key)
return whole(math.max(epoch, known_epoch))
