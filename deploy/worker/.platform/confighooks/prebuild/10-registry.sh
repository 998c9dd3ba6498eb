#!/bin/bash
# Compose pulls the image before anything else: log in with the instance's role.
set -euo pipefail
image=$(/opt/elasticbeanstalk/bin/get-config environment -k WORKER_IMAGE)
region=$(/opt/elasticbeanstalk/bin/get-config environment -k ONEVOICE_SERVER_AWS_REGION)
aws ecr get-login-password --region "$region" |
  docker login --username AWS --password-stdin "${image%%/*}"
