lane = {lane:String}
  AND block >= {first:UInt64}
  AND block <= {last:UInt64}
  AND ({workspace:String} = '' OR workspace = {workspace:String})
