intDiv($came, 3600000)
