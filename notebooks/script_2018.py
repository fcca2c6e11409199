"""The test of 2018: search every member of Congress at the default threshold, and count."""

import csv
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3

address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8018"
account = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
client = boto3.client("rekognition", endpoint_url=address, **account)


def index(name):  # the largest face of a photograph; in 2018 there was no QualityFilter
    photo = {"S3Object": {"Bucket": "legislators", "Name": name}}
    options = {"ExternalImageId": name, "MaxFaces": 1, "QualityFilter": "NONE"}
    return client.index_faces(CollectionId="gallery", Image=photo, **options)["FaceRecords"]


def search(name):  # no FaceMatchThreshold: the default, 80
    photo = {"S3Object": {"Bucket": "probes", "Name": name}}
    try:
        return client.search_faces_by_image(CollectionId="gallery", Image=photo)["FaceMatches"]
    except client.exceptions.InvalidParameterException as error:
        if "no faces in the image" not in str(error):
            raise


with open("data/galleries/legislators.csv", encoding="utf-8") as file:
    gallery = [row["gallery_id"] for row in csv.DictReader(file)]
with open("data/roster/members.csv", encoding="utf-8") as file:
    members = {row["member_id"]: row["ethnicity"] == "White" for row in csv.DictReader(file)}
with suppress(client.exceptions.ResourceAlreadyExistsException):
    client.create_collection(CollectionId="gallery")
with ThreadPoolExecutor(4) as pool:
    indexed = sum(map(bool, pool.map(index, gallery)))
    found = dict(zip(members, pool.map(search, members), strict=True))

print(f"gallery: {indexed} faces in {len(gallery)} photographs")
for name, white in (("all", {True, False}), ("White", {True}), ("of colour", {False})):
    answers = [found[member] for member in members if members[member] in white]
    matched, failed = sum(map(bool, answers)), answers.count(None)
    print(f"{name}: {matched} of {len(answers)} falsely matched, {failed} without a face")
