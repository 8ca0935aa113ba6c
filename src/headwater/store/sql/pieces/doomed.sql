id IN (SELECT id FROM doomed WHERE job = {job:String})
