"""What users are told outside the API: mails, and the topic of finished jobs."""
