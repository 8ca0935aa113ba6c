-- Counts again what a gateway was granted in a window that the server has forgotten, once a gateway.
-- KEYS: the window. ARGV: a token to begin it with, milliseconds it is kept for, the gateway, then id and count of each
-- signal. Answers the window's token.
local window = KEYS[1]
if redis.call('HSETNX', window, 'token', ARGV[1]) == 1 then
    redis.call('PEXPIRE', window, ARGV[2])
end
if redis.call('HSETNX', window, 'gateway:' .. ARGV[3], 1) == 1 then
    for at = 4, #ARGV, 2 do
        redis.call('HINCRBY', window, ARGV[at], ARGV[at + 1])
    end
end
return redis.call('HGET', window, 'token')
