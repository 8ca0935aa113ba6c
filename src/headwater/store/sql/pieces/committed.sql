block <= if(lane = 'realtime', {realtime:UInt64}, {migration:UInt64})
