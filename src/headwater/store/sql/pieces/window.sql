intDiv($came, {window_ms:Int64}) * {window_ms:Int64}
