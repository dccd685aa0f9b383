local family_key, epoch_key = KEYS[3], KEYS[4]
local user, refresh, expires_at, last_expiry, known_epoch = ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])

open_family(family_key, user, refresh, expires_at, last_expiry)
local epoch = read_epoch(epoch_key)
return whole(math.max(epoch, known_epoch))
