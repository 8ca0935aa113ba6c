-- Where the request came from that changed something; null where there was no request.
ALTER TABLE audit ADD COLUMN address TEXT;
