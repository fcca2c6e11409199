"""Notebook 13: does what was found in the 115th hold for members who were not there?"""
